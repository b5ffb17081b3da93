INSERT INTO reconciliation (sequence, kept, lost) VALUES (?1, ?2, ?3)
