CREATE TABLE "Order" ("Id" INTEGER PRIMARY KEY, "group" VARCHAR, "Total Price" DECIMAL(10,2), größe INTEGER);
CREATE STREAM "select" ("from" INTEGER, "where" VARCHAR, "a""b" BIGINT);
----
SELECT "Id", "group" AS "Group By", "Total Price" * 2 AS "double price" FROM "Order" WHERE größe > 2;
SELECT "group", sum("Total Price") AS "sum", max(größe) AS "größte" FROM "Order" GROUP BY "group";
SELECT s."where", o."group", s."a""b" FROM "select" s JOIN "Order" o ON o."Id" = s."from";
SELECT ORDER_.ID, order_.GRöSSE FROM (SELECT "Id" AS id, größe AS grösse FROM "Order") AS Order_;
SELECT "select"."from" AS "as", count(*) AS "count" FROM "select" GROUP BY ALL;
SELECT "where" AS a, "where" AS b, "a""b" + 1 AS "c""d" FROM "select" WHERE "where" IS NOT NULL;
SELECT main."Order"."Id" AS x FROM main."Order" WHERE "Order"."Id" IN (SELECT "from" FROM main."select");
