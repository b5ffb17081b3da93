SELECT c.sequence, c.issuer, c.serial, c.origin, t.subject, c.not_before, c.not_after, c.profile, t.der
FROM certificate c LEFT JOIN certificate_text t ON t.sequence = c.sequence
-- Row by row as they lie there: the index by issuer would fetch each one apart.
WHERE +c.issuer IN (SELECT value FROM json_each(?1)) AND c.not_after > ?2 AND c.not_after <= ?3
    AND coalesce((SELECT r.released FROM revocation r
        WHERE r.issuer = c.issuer AND r.serial = c.serial ORDER BY r.sequence DESC LIMIT 1), 1)
ORDER BY c.not_after, c.sequence LIMIT ?4
