SELECT c.sequence, c.issuer, c.serial, c.origin, t.subject, c.not_before, c.not_after, c.profile, t.der
FROM certificate c LEFT JOIN certificate_text t ON t.sequence = c.sequence
WHERE c.issuer = ?1 AND c.serial = ?2
ORDER BY c.origin LIMIT 1
