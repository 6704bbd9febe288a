import { statfsSync } from 'node:fs';
import { chosenDataFolder, localDataFolders, readFolder } from './fashionMnist.ts';
