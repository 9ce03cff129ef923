"""Training of lead reconstruction: sources, augmentation, masks, recipes, weight selection."""
