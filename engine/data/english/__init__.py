"""What grammar_english.py tells its stories with: the words, the story being told, and the plots."""
