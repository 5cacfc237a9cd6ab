"""Live charts: from events to cells. No Textual here; `widgets/chart_view.py` draws what these modules compute."""
