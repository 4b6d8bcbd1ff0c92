__all__ = ['ttypes', 'constants', 'ScoringService', 'ModelRepositoryService']
