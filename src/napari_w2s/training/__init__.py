"""Train restoration models: data, losses and the Lightning engine. Knows no window."""
