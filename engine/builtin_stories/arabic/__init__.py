"""Arabic stories.

grammar      which plot a story follows
telling      how a story is put together
agreement    how words agree
words        their words
animal_plots, family_plots, friend_plots, making_plots   plots
"""
