BEGIN TRANSACTION;
CREATE TABLE batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        endpoint TEXT NOT NULL, input_file TEXT NOT NULL, completion_window TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, model TEXT, metadata TEXT,
        lifetime INTEGER, output_file TEXT, error_file TEXT, errors TEXT, counts TEXT, usage TEXT,
        times TEXT);
INSERT INTO "batches" VALUES(1,'batch_kftl8IyHsqY2d23YOQUeKVjn','completed','/v1/chat/completions','file-vr8cAXcZQLSRCNDFCtPaDA1e','24h',1795614329,1795700729,'tiny',NULL,NULL,'file-SE3Qqi277ANefsTk3lJQ8YWq',NULL,NULL,'{"total": 2, "completed": 2, "failed": 0}','{"input_tokens": 26, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 30}','{"in_progress_at": 1795614330, "finalizing_at": 1795614330, "completed_at": 1795614330}');
INSERT INTO "batches" VALUES(2,'batch_9Sn1QXbYmzohEEixG9lfdNZh','in_progress','/v1/chat/completions','file-dRSlI2Jaue4YHNrTatSizVhr','24h',1795614333,1795700733,'tiny',NULL,NULL,NULL,NULL,NULL,'{"total": 12, "completed": 0, "failed": 0}',NULL,'{"in_progress_at": 1795614333}');
CREATE TABLE checkpoints (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, step INTEGER NOT NULL, model TEXT NOT NULL,
        metrics TEXT NOT NULL, UNIQUE (job_id, step));
INSERT INTO "checkpoints" VALUES(1,'ftckpt-CwKX0kcvytNrnO7zRjfRtJVr','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,2,'ft:tiny:lab:first:TMCPB1ku:ckpt-step-2','{"step": 2, "train_loss": 5.889229965209961, "train_mean_token_accuracy": 0.0, "valid_loss": 5.880272674560547, "valid_mean_token_accuracy": 0.0, "full_valid_loss": 5.880272674560547, "full_valid_mean_token_accuracy": 0.0}');
INSERT INTO "checkpoints" VALUES(2,'ftckpt-2N0dPMBcZhUEb4vFm4jPUmdp','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,4,'ft:tiny:lab:first:TMCPB1ku:ckpt-step-4','{"step": 4, "train_loss": 5.862823486328125, "train_mean_token_accuracy": 0.0, "valid_loss": 5.8578857421875, "valid_mean_token_accuracy": 0.0, "full_valid_loss": 5.8578857421875, "full_valid_mean_token_accuracy": 0.0}');
INSERT INTO "checkpoints" VALUES(3,'ftckpt-WZJUxFMijUMrf3KgidwcxtGh','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614333,2,'ft:tiny:lab:second:L5sQMAKA:ckpt-step-2','{"step": 2, "train_loss": 5.831943130493164, "train_mean_token_accuracy": 0.0}');
CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
        type TEXT NOT NULL, data TEXT NOT NULL, step INTEGER, UNIQUE (job_id, step));
INSERT INTO "events" VALUES(1,'ftevent-eo6N4zhBK5sRvdz5NLuAJPN5','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614326,'info','Created fine-tuning job: ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku','message','{}',NULL);
INSERT INTO "events" VALUES(2,'ftevent-X3NcHcTwsSebqV2yOMmB0zw1','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614326,'info','Validating training file: file-Ao48TGHEGTHY1sN4hPur7XoJ and validation file: file-Ao48TGHEGTHY1sN4hPur7XoJ','message','{}',NULL);
INSERT INTO "events" VALUES(3,'ftevent-UnpAu08gyi1UUOB1CXCyup7M','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614326,'info','Files validated, moving job to queued state','message','{}',NULL);
INSERT INTO "events" VALUES(4,'ftevent-1Z1ifIB8o3tq0zIjGjPHrZ2V','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614326,'info','Fine-tuning job started','message','{}',NULL);
INSERT INTO "events" VALUES(5,'ftevent-xD67BnRr9hfNPWrolAGDWeNJ','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Step 1/4: training loss=5.91, validation loss=5.89','metrics','{"step": 1, "total_steps": 4, "train_loss": 5.906606674194336, "train_mean_token_accuracy": 0.0, "valid_loss": 5.893456649780274, "valid_mean_token_accuracy": 0.0}',1);
INSERT INTO "events" VALUES(6,'ftevent-PTHFWMOQEAKnAR5f7pI4zDsk','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Step 2/4: training loss=5.89, validation loss=5.88','metrics','{"step": 2, "total_steps": 4, "train_loss": 5.889229965209961, "train_mean_token_accuracy": 0.0, "valid_loss": 5.880272674560547, "valid_mean_token_accuracy": 0.0}',2);
INSERT INTO "events" VALUES(7,'ftevent-A2kZXxfZnHGYP1UBjMmVOqUw','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Checkpoint created at step 2','message','{}',NULL);
INSERT INTO "events" VALUES(8,'ftevent-RAhbHm1oFd8UGGFvlTN4QRcW','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Step 3/4: training loss=5.89, validation loss=5.87','metrics','{"step": 3, "total_steps": 4, "train_loss": 5.885327911376953, "train_mean_token_accuracy": 0.0, "valid_loss": 5.866915512084961, "valid_mean_token_accuracy": 0.0}',3);
INSERT INTO "events" VALUES(9,'ftevent-tCescRtXqb4ojfw6mz5GZZ0s','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Step 4/4: training loss=5.86, validation loss=5.86','metrics','{"step": 4, "total_steps": 4, "train_loss": 5.862823486328125, "train_mean_token_accuracy": 0.0, "valid_loss": 5.8578857421875, "valid_mean_token_accuracy": 0.0}',4);
INSERT INTO "events" VALUES(10,'ftevent-Mz02jconFHasvJ6NIXyNhdJY','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','Checkpoint created at step 4','message','{}',NULL);
INSERT INTO "events" VALUES(11,'ftevent-vOHMB97qKgvdvw9PVNbyr4qf','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','New fine-tuned model created: ft:tiny:lab:first:TMCPB1ku','message','{}',NULL);
INSERT INTO "events" VALUES(12,'ftevent-XWCOahPUBCOsJjrG4lkXsySR','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'info','The job has successfully completed','message','{}',NULL);
INSERT INTO "events" VALUES(13,'ftevent-ub4czMhWlSZMhRR38afcT9Mx','ftjob-tt43pavTK7TKsElLNoljTHi2',1795614329,'info','Created fine-tuning job: ftjob-tt43pavTK7TKsElLNoljTHi2','message','{}',NULL);
INSERT INTO "events" VALUES(14,'ftevent-QE7D9cDSYAQmY8qm5pXvrm17','ftjob-tt43pavTK7TKsElLNoljTHi2',1795614329,'info','Validating training file: file-ALmBOV8iIfBHYSpnkvtzgMi7','message','{}',NULL);
INSERT INTO "events" VALUES(15,'ftevent-mduVPbp5JUJzgg9KxmXs5Nc3','ftjob-tt43pavTK7TKsElLNoljTHi2',1795614329,'error','Training file has 3 example(s), but must have at least 10 examples','message','{}',NULL);
INSERT INTO "events" VALUES(16,'ftevent-vsDvJtZQDWSmwBrUk0EWX7wo','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614330,'info','Created fine-tuning job: ftjob-nuszK4c7GRJ2SVf1L5sQMAKA','message','{}',NULL);
INSERT INTO "events" VALUES(17,'ftevent-BJPIWscTyjr4CDmnCrGtti55','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614330,'info','Validating training file: file-Ao48TGHEGTHY1sN4hPur7XoJ','message','{}',NULL);
INSERT INTO "events" VALUES(18,'ftevent-eZgm8szcPOUmvaHakK6utqtd','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614330,'info','Files validated, moving job to queued state','message','{}',NULL);
INSERT INTO "events" VALUES(19,'ftevent-YU1bt7RXxIMKTyMZEhXucwBn','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614330,'info','Fine-tuning job started','message','{}',NULL);
INSERT INTO "events" VALUES(20,'ftevent-snzUERXMSKNsUZf2T6eiR1el','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614333,'info','Step 1/40: training loss=5.87','metrics','{"step": 1, "total_steps": 40, "train_loss": 5.874755096435547, "train_mean_token_accuracy": 0.0}',1);
INSERT INTO "events" VALUES(21,'ftevent-CpESAlqcIJNF1Zv9DAvSdyz8','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614333,'info','Step 2/40: training loss=5.83','metrics','{"step": 2, "total_steps": 40, "train_loss": 5.831943130493164, "train_mean_token_accuracy": 0.0}',2);
INSERT INTO "events" VALUES(22,'ftevent-TI0nP5oJAztZVQPLO7Wa62Ff','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614333,'info','Checkpoint created at step 2','message','{}',NULL);
CREATE TABLE files (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, filename TEXT NOT NULL,
        purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
        expires_at INTEGER);
INSERT INTO "files" VALUES(1,'file-Ao48TGHEGTHY1sN4hPur7XoJ','train.jsonl','fine-tune',1060,1795614326,NULL);
INSERT INTO "files" VALUES(2,'file-8G6YNHjGiFlQw3Qg3PbIj8wG','step_metrics.csv','fine-tune-results',232,1795614329,NULL);
INSERT INTO "files" VALUES(3,'file-ALmBOV8iIfBHYSpnkvtzgMi7','few.jsonl','fine-tune',318,1795614329,NULL);
INSERT INTO "files" VALUES(4,'file-vr8cAXcZQLSRCNDFCtPaDA1e','in.jsonl','batch',374,1795614329,1798206329);
INSERT INTO "files" VALUES(5,'file-SE3Qqi277ANefsTk3lJQ8YWq','batch_kftl8IyHsqY2d23YOQUeKVjn_output.jsonl','batch_output',1512,1795614330,NULL);
INSERT INTO "files" VALUES(6,'file-dRSlI2Jaue4YHNrTatSizVhr','in.jsonl','batch',2272,1795614330,1798206330);
CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        model TEXT NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,
        suffix TEXT NOT NULL, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
        created_at INTEGER NOT NULL, finished_at INTEGER, estimated_finish INTEGER,
        trained_tokens INTEGER, fine_tuned_model TEXT, result_file TEXT, error TEXT, method TEXT NOT NULL DEFAULT 'supervised');
INSERT INTO "jobs" VALUES(1,'ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku','succeeded','tiny','file-Ao48TGHEGTHY1sN4hPur7XoJ','file-Ao48TGHEGTHY1sN4hPur7XoJ','first',1,'{"n_epochs": 2, "batch_size": 5, "learning_rate_multiplier": 1.0}','{"course": "test"}',1795614326,1795614329,NULL,440,'ft:tiny:lab:first:TMCPB1ku','file-8G6YNHjGiFlQw3Qg3PbIj8wG',NULL,'supervised');
INSERT INTO "jobs" VALUES(2,'ftjob-tt43pavTK7TKsElLNoljTHi2','failed','tiny','file-ALmBOV8iIfBHYSpnkvtzgMi7',NULL,'',933190905,'{"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}',NULL,1795614329,1795614329,NULL,NULL,NULL,NULL,'{"code": "invalid_n_examples", "message": "Training file has 3 example(s), but must have at least 10 examples", "param": "training_file"}','supervised');
INSERT INTO "jobs" VALUES(3,'ftjob-nuszK4c7GRJ2SVf1L5sQMAKA','running','ft:tiny:lab:first:TMCPB1ku','file-Ao48TGHEGTHY1sN4hPur7XoJ',NULL,'second',2,'{"n_epochs": 20, "batch_size": 5, "learning_rate_multiplier": 1.0}',NULL,1795614330,NULL,1795614334,NULL,NULL,NULL,NULL,'supervised');
CREATE TABLE models (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, folder TEXT NOT NULL);
INSERT INTO "models" VALUES(1,'ft:tiny:lab:first:TMCPB1ku:ckpt-step-2','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'jobs/ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku/checkpoints/step-2');
INSERT INTO "models" VALUES(2,'ft:tiny:lab:first:TMCPB1ku:ckpt-step-4','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'jobs/ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku/checkpoints/step-4');
INSERT INTO "models" VALUES(3,'ft:tiny:lab:first:TMCPB1ku','ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku',1795614329,'jobs/ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku/checkpoints/step-4');
INSERT INTO "models" VALUES(4,'ft:tiny:lab:second:L5sQMAKA:ckpt-step-2','ftjob-nuszK4c7GRJ2SVf1L5sQMAKA',1795614333,'jobs/ftjob-nuszK4c7GRJ2SVf1L5sQMAKA/checkpoints/step-2');
CREATE INDEX jobs_by_status ON jobs (status, number);
CREATE INDEX batches_by_status ON batches (status, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('files',6);
INSERT INTO "sqlite_sequence" VALUES('jobs',3);
INSERT INTO "sqlite_sequence" VALUES('events',22);
INSERT INTO "sqlite_sequence" VALUES('checkpoints',3);
INSERT INTO "sqlite_sequence" VALUES('models',4);
INSERT INTO "sqlite_sequence" VALUES('batches',2);
COMMIT;
PRAGMA user_version = 3;
