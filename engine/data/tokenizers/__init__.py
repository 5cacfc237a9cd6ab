"""Text to token ids and back.

tokenizer    what every tokenizer does
byte_pair    GPT-2's, and byte-level BPE trained on the corpus at hand
pretrained   those of the hub
load         one that was saved, or the one that [tokenizer] names
round_trip   what a tokenizer loses of a text
"""
