"""A run's results in the formats that others read: each as a whole or in parts that resume, never half."""
