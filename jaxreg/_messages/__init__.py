"""What errors are made of, and tables of text.

- `brief`: what an argument is, in a few words
- `calls`: calls that do not fit a signature, and the arguments that were meant
- `kinds`: flags, functions, meshes and mappings among the arguments
- `names`: names that people try, and what they are called here
- `table`: rows of text in columns
"""
