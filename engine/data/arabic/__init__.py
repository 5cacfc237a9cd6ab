"""The Arabic story corpus: its words, how they agree, and the plots."""
