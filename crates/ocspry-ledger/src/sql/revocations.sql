SELECT r.serial, r.sequence, r.released, r.effective, r.reason, r.invalid_since, NULL, r.issuer
FROM revocation r
WHERE r.sequence > ?1 AND r.sequence <= ?2 ORDER BY r.sequence LIMIT ?3
