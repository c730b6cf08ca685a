"""When an item of a pipeline acts: its parameters, the run that it acts in, its conditions."""
