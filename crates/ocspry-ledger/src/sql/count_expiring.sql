SELECT count(*) FROM certificate c
-- Row by row as they lie there: the index by issuer would fetch each one apart.
WHERE +c.issuer IN (SELECT value FROM json_each(?1)) AND c.not_after > ?2 AND c.not_after <= ?3
    AND coalesce((SELECT r.released FROM revocation r
        WHERE r.issuer = c.issuer AND r.serial = c.serial ORDER BY r.sequence DESC LIMIT 1), 1)
