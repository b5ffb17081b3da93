SELECT sequence, issuer, serial, not_after FROM certificate
WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3
