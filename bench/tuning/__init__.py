"""What scripts/tune is made of; docs/tuning.md explains it."""
