"""JSON lines of clouds: SageMaker Ground Truth's manifests, Vertex AI's import files."""
