UPDATE head SET sequence = ?1
