INSERT INTO certificate_text (sequence, subject, der) VALUES (?1, ?2, ?3)
