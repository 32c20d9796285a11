-- When a tag last moved from the manifest to another one; NULL if none did.
ALTER TABLE manifest_use ADD COLUMN untagged INTEGER;

-- From now on, 0 as the time of a tag's push means that the time is unknown. Until now imported tags had the time of the import.
UPDATE tag SET updated = 0 WHERE updated <= (SELECT max(finished) FROM import);
