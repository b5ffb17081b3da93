SELECT r.issuer, r.serial FROM revocation r
WHERE r.released = 1 AND coalesce((SELECT b.released = 0 AND b.reason = 6 FROM revocation b
    WHERE b.issuer = r.issuer AND b.serial = r.serial AND b.sequence < r.sequence
    ORDER BY b.sequence DESC LIMIT 1), 0) = 0 LIMIT 100
