"""The expr-lang expression language and Kargo's templates, in pure Python."""
