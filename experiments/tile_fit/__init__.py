"""How much of the weights between trained families do the numbers of a tile explain?"""
