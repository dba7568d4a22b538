"""What a row of a training file must look like: one set of rules, for doctor and lab."""
