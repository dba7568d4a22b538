"""What a row of a training file must look like: one set of rules, for the doctor and for the lab."""
