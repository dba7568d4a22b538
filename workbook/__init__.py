"""What a student takes along: prices, the dataset doctor, budgets, jobs, and the lab."""
