SELECT c.issuer, c.serial FROM certificate c
WHERE c.origin = 1 AND NOT EXISTS (SELECT 1 FROM reservation r
    WHERE r.issuer = c.issuer AND r.serial = c.serial AND r.sequence < c.sequence) LIMIT 100
