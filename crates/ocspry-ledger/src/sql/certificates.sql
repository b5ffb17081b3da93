SELECT c.sequence, c.issuer, c.serial, c.origin, t.subject, c.not_before, c.not_after, c.profile, t.der
FROM certificate c LEFT JOIN certificate_text t ON t.sequence = c.sequence
WHERE c.sequence > ?1 AND (?2 IS NULL OR c.issuer = ?2)
ORDER BY c.sequence LIMIT ?3
