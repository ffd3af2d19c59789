"""What a stride gains in time, and what it costs in equivariance."""
