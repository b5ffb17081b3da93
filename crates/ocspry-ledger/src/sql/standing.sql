SELECT r.serial, r.sequence, r.released, r.effective, r.reason, r.invalid_since,
    (SELECT c.not_after FROM certificate c WHERE c.issuer = r.issuer AND c.serial = r.serial ORDER BY c.origin LIMIT 1)
FROM revocation r
WHERE r.issuer = ?1 AND r.serial = ?2 ORDER BY r.sequence DESC LIMIT 1
