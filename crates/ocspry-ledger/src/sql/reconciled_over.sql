SELECT EXISTS (SELECT 1 FROM reconciliation WHERE lost >= ?1)
