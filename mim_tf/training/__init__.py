"""Sec. 3.5: the losses, the two training stages and the loop around them."""
