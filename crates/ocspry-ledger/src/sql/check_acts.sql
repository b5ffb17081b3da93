SELECT first, last, EXISTS (SELECT 1 FROM reconciliation r WHERE r.lost = first - 1) FROM act ORDER BY first
