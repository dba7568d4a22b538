"""Google's shape: Vertex AI's tuning jobs and generateContent, and buckets that are folders."""
