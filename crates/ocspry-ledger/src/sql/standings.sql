SELECT r.serial, max(r.sequence), r.released, r.effective, r.reason, r.invalid_since,
    (SELECT c.not_after FROM certificate c WHERE c.issuer = r.issuer AND c.serial = r.serial ORDER BY c.origin LIMIT 1)
FROM revocation r
WHERE r.issuer = ?1 AND r.serial > ?2 AND r.sequence <= ?3
GROUP BY r.serial ORDER BY r.serial LIMIT ?4
