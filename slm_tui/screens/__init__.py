"""The screens of the dashboard: each fills the terminal, or stands as a window over one that does."""
