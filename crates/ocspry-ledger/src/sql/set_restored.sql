UPDATE head SET restored = ?1
