SELECT c.sequence, c.issuer, c.serial, c.origin, t.subject, c.not_before, c.not_after, c.profile, t.der
FROM certificate c LEFT JOIN certificate_text t ON t.sequence = c.sequence
WHERE c.not_after > ?1 AND c.not_after <= ?2
ORDER BY c.not_after, c.sequence LIMIT ?3
