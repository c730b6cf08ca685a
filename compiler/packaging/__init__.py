"""Sources → units → a sealed pack: the build, its cache, the writer, wheels."""
