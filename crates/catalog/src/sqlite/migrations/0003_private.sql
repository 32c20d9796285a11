-- 1: something of it was fetched with credentials. It ends with the row: when nothing of the copy is left.
ALTER TABLE repository ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
