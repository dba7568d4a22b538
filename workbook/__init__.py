"""The workbook: what a student takes along. Prices, the dataset doctor, budgets, jobs, and the lab."""
