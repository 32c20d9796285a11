-- 1: its file is about to get the name of `digest`, or got it before a crash. Until now a session had an epoch above 0
-- from then on; from now on the epoch only counts the claims.
ALTER TABLE upload ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
UPDATE upload SET named = 1 WHERE epoch > 0 AND digest IS NOT NULL;
