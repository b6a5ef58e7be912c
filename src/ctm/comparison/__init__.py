"""Several models and seeds: trained, put into one table and one picture."""
