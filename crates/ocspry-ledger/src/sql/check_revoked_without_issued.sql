SELECT DISTINCT r.issuer, r.serial FROM revocation r
WHERE NOT EXISTS (SELECT 1 FROM certificate c WHERE c.issuer = r.issuer AND c.serial = r.serial) LIMIT 100
