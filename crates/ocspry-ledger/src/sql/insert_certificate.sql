INSERT INTO certificate (sequence, issuer, serial, origin, not_before, not_after, profile)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
