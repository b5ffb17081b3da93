-- A serial that was only named (origin 3) and is known as a certificate by now ends with that, as its revocation does.
SELECT sequence, issuer, serial,
    CASE origin
        WHEN 3 THEN (SELECT c.not_after FROM certificate c
            WHERE c.issuer = certificate.issuer AND c.serial = certificate.serial ORDER BY c.origin LIMIT 1)
        ELSE not_after
    END
FROM certificate
WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3
