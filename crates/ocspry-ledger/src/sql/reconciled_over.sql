SELECT min(kept) FROM reconciliation WHERE lost >= ?1
