"""What comes back when handbuilt units take the place of trained ones, and does it matter which?"""
