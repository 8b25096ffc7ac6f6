"""The worker as a service: its settings, its logs, and how it is put together from the runtime and the core."""
