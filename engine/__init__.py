"""The engine: prepares data, trains, evaluates and generates. It knows no terminal."""
