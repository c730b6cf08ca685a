"""The public APIs of other Sigma engines over compiled packs, so that programs which were written for them go on."""
