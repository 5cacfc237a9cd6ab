"""The dashboard, or the stories of one run, as a web page: `slm-tui serve`."""
